# What `vision run` runs. `vision validate` checks it, `vision plan` shows what goes where, `vision describe text-to-image`
# lists what the plugin's config block takes.

host {
  listen = "127.0.0.1:8080"
}

device "cpu0" {
  kind   = "cpu"
  memory = "2GiB" # what plugins may take of it
}

plugin "text-to-image" {
  binary     = "bin/plugins/text-to-image" # relative to this file
  device     = "auto"
  memory     = "600MiB"
  keep_alive = "5m" # unloaded after five minutes without a request; "-1" keeps it for ever
  queue      = 64

  config {
    model = "examples/models/tiny"
  }
}
