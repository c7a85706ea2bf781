return hb.use "lib/f16"
