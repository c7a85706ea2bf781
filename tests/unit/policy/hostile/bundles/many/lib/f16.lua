return hb.use "lib/f17"
