return hb.use "lib/f11"
