fn byte(start: u32, index: u32) -> u32 { return (w[start + index / 4u] >> (8u * (index % 4u))) & 255u; }
