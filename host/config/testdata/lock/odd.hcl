plugin "a" {
  /* before */ binary /* between */ = ("bin/plugins/a") /* behind
  and on the next line */
  sha256 = null
}
plugin "b" {
  binary /* between */ = "bin/plugins/b"
  config {}
}