return hb.use "lib/f2"
