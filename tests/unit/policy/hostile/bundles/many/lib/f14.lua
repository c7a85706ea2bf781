return hb.use "lib/f15"
