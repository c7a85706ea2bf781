return hb.use "lib/f9"
