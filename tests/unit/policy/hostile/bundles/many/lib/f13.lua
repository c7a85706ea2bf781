return hb.use "lib/f14"
