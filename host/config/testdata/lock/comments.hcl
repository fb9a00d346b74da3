# A file with comments everywhere.
host { # not a plugin
  listen = "" // none
}

/* a block
   comment */
plugin "a" {
  # what runs
  binary     = "bin/plugins/a" # relative to this file
  device     = "auto"          /* or a name */
  keep_alive = "5m"

  config {
    sha256 = "not a pin: it is the plugin's own"
  }
} # the end of a

plugin "other" {
  binary = "bin/plugins/other" # declared, and not asked for
}

plugin "b" {
  memory = "300MiB"
  binary = "bin/plugins/a" // shared with a

  // b has nothing more to say
}
# the last line
