return hb.use "lib/f13"
