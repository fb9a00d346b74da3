# `vision run` in this folder serves the endpoint at http://127.0.0.1:8080/api/v1/plasma.

host {
  listen = "127.0.0.1:8080"
}

plugin "plasma" {
  binary = "plugin" # relative to this file

  config {
    max_side = 1024
  }
}
