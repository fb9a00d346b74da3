# A miner with two GPUs of 48 GB: every endpoint, with the families that README's table "Models" lists, in fp16.
#
#     vision plan --config examples/configs/miner-2x48.hcl --inventory examples/configs/inventory-2x48.json
#
# shows what goes where, without that machine; --suggest, what to take when it is less. The models are yours to export, see README.
#
# Memory of one process: 1.5 times the weights in fp16 (the weights, half as much again for activations and ONNX Runtime's arenas at the
# model's own size), and 0.4 GiB of CUDA context. Nobody has measured these yet: where a process is found to take more, the host reckons
# with that, and `vision ps` shows it.
#
#     SDXL                      6.9 GB x 1.5 + 0.4 GiB = 10.1 GiB -> 11GiB
#     Kandinsky 2.2             9.8 GB x 1.5 + 0.4 GiB = 14.1 GiB -> 15GiB
#     SD 1.5                    2.1 GB x 1.5 + 0.4 GiB =  3.3 GiB ->  4GiB
#     SD 1.5 with a ControlNet  2.9 GB x 1.5 + 0.4 GiB =  4.5 GiB ->  5GiB
#     Real-ESRGAN               what a picture of 1024 x 1024 px times four takes -> 2GiB
#     CLIP ViT-B/32             0.3 GB x 1.5 + 0.4 GiB =  0.8 GiB ->  1GiB
#
# Weights are those of subnet 19's image tasks in version 4, each given to the endpoint that is closest to it; the fifth that its chat tasks had
# goes to what it did not weigh: upscale, uncrop, clip-embed. Two plugins of one endpoint share its weight.

host {
  listen = "127.0.0.1:8080"
}

device "gpu0" {
  kind   = "cuda"
  index  = 0       # as nvidia-smi counts; a uuid is safer where cards are added
  memory = "43GiB" # of 45 GiB, what an A40 or L40 with ECC has: the rest is the driver's
}

device "gpu1" {
  kind   = "cuda"
  index  = 1 # as nvidia-smi counts; a uuid is safer where cards are added
  memory = "43GiB"
}

plugin "text-to-image" {
  binary     = "../../bin/plugins/text-to-image"
  memory     = "11GiB"
  weight     = 0.25
  keep_alive = "-1" # never unloaded: it earns most

  replicas {
    min = 2 # "auto", the default device, puts one on each GPU where the first is full
    max = 2
  }

  config {
    model    = "../../models/sdxl"
    provider = "cuda"
  }
}

plugin "image-to-image" {
  binary = "../../bin/plugins/image-to-image"
  memory = "11GiB"
  weight = 0.15

  config {
    model    = "../../models/sdxl"
    provider = "cuda"
  }
}

plugin "inpaint" {
  binary = "../../bin/plugins/inpaint"
  memory = "11GiB"
  weight = 0.05

  config {
    model    = "../../models/sdxl-inpaint"
    provider = "cuda"
  }
}

plugin "uncrop" {
  binary = "../../bin/plugins/uncrop"
  memory = "11GiB"
  weight = 0.05

  config {
    model    = "../../models/sdxl-inpaint"
    provider = "cuda"
  }
}

plugin "scribble" {
  binary = "../../bin/plugins/scribble"
  memory = "5GiB"
  weight = 0.2

  config {
    model    = "../../models/sd15-controlnet"
    provider = "cuda"
  }
}

plugin "upscale" {
  binary = "../../bin/plugins/upscale"
  memory = "2GiB"
  weight = 0.1

  config {
    model    = "../../models/realesrgan-x4/model.onnx"
    provider = "cuda"
  }
}

plugin "clip-embed" {
  binary     = "../../bin/plugins/clip-embed"
  memory     = "1GiB"
  weight     = 0.05
  keep_alive = "-1" # small, and asked for all the time

  config {
    model    = "../../models/clip-vit-b-32"
    provider = "cuda"
  }
}

plugin "text-to-image-kandinsky" {
  binary     = "../../bin/plugins/text-to-image"
  memory     = "15GiB"
  weight     = 0.1
  keep_alive = "10m"
  on_full    = "evict" # where it is full, the first request makes room

  config {
    model    = "../../models/kandinsky22"
    provider = "cuda"
  }
}

plugin "image-to-image-kandinsky" {
  binary     = "../../bin/plugins/image-to-image"
  memory     = "15GiB"
  weight     = 0.05
  keep_alive = "10m"
  on_full    = "evict"

  replicas {
    min = 0 # seldom asked for: the first request loads it
    max = 1
  }

  config {
    model    = "../../models/kandinsky22"
    provider = "cuda"
  }
}
