return hb.use "lib/f8"
