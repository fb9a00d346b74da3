plugin "a" {
  sha256 = "0000000000000000000000000000000000000000000000000000000000000000" # pinned by hand
  binary = "bin/plugins/a"
}
plugin "b" {
  binary = "bin/plugins/b"
  sha256 = "B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2" # the same, in capitals
  queue  = 8
}
