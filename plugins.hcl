# What `vision run` runs. `vision validate` checks it, `vision plan` shows what goes where, `vision describe ENDPOINT` lists what a
# plugin's config block takes.

host {
  listen = "127.0.0.1:8080"
}

device "cpu0" {
  kind   = "cpu"
  memory = "4GiB" # what plugins may take of it
}

plugin "text-to-image" {
  binary     = "bin/plugins/text-to-image" # relative to this file
  device     = "auto"
  memory     = "300MiB"
  keep_alive = "5m" # unloaded after five minutes without a request; "-1" keeps it for ever
  queue      = 64

  config {
    model   = "examples/models/tiny"
    threads = 1 # small models gain nothing from more
  }
}

plugin "image-to-image" {
  binary = "bin/plugins/image-to-image"
  memory = "300MiB"

  config {
    model   = "examples/models/tiny"
    threads = 1
  }
}

plugin "inpaint" {
  binary = "bin/plugins/inpaint"
  memory = "300MiB"

  config {
    model   = "examples/models/tiny-inpaint"
    threads = 1
  }
}

plugin "scribble" {
  binary = "bin/plugins/scribble"
  memory = "300MiB"

  config {
    model   = "examples/models/tiny"
    threads = 1
  }
}

plugin "upscale" {
  binary = "bin/plugins/upscale"
  memory = "1792MiB"

  config {
    model   = "examples/models/tiny-upscale"
    threads = 1
  }
}

plugin "uncrop" {
  binary = "bin/plugins/uncrop"
  memory = "300MiB"

  config {
    model   = "examples/models/tiny-inpaint"
    threads = 1
  }
}

plugin "clip-embed" {
  binary = "bin/plugins/clip-embed"
  memory = "200MiB"

  config {
    model   = "examples/models/tiny-clip"
    threads = 1
  }
}
