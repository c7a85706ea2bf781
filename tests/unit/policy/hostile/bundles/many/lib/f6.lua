return hb.use "lib/f7"
