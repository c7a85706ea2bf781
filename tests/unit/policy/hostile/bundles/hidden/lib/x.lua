return hb["use"]("lib/x")
