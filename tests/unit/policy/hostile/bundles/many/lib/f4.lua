return hb.use "lib/f5"
