return hb.use "lib/f12"
