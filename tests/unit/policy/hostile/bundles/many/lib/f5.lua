return hb.use "lib/f6"
