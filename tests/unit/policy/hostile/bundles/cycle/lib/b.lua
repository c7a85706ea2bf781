return hb.use "lib/a"
