plugin   "a" {  binary = "bin/plugins/a" /* all on one line */ }

	plugin "b" {
	binary="bin/plugins/b"
	}
plugin "c" {}
