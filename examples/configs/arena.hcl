# For the arena's real mode, from the repository's root:
#
#     bin/vision arena --mode real --config examples/configs/arena.hcl --hardware other-hardware --embedder clip-embed --miners 16 --seeds 4
#
# The pictures of honest miners and of cheats are painted here. Give a block with another model of yours as --checkpoint, and smaller-model plays too.

device "cpu0" {
  kind   = "cpu"
  memory = "1GiB"
}

plugin "text-to-image" {
  binary = "../../bin/plugins/text-to-image"
  memory = "300MiB"

  config {
    model   = "../models/tiny"
    threads = 1
  }
}

plugin "other-hardware" { # the same model, run in another way
  binary = "../../bin/plugins/text-to-image"
  memory = "300MiB"

  config {
    model        = "../models/tiny"
    threads      = 2
    precision    = "fp16"
    optimization = "off"
  }
}

plugin "clip-embed" {
  binary = "../../bin/plugins/clip-embed"
  memory = "200MiB"

  config {
    model   = "../models/tiny-clip"
    threads = 1
  }
}
