return hb.use "lib/f4"
