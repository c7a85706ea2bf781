return hb.use "lib/f10"
