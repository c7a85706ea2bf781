return hb.use "lib/f18"
