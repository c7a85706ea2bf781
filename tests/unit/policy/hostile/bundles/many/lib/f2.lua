return hb.use "lib/f3"
