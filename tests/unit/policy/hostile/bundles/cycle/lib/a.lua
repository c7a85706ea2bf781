return hb.use "lib/b"
