# `vision run` in this folder serves the endpoint at http://127.0.0.1:8080/api/v1/palette.

host {
  listen = "127.0.0.1:8080"
}

plugin "palette" {
  binary = "palette" # relative to this file

  config {
    samples = 50000
  }
}
