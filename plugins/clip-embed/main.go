// Command clip-embed is the plugin that embeds images and texts in one space.
package main

import "github.com/vision19/vision/sdk"

func main() { sdk.Serve(&endpoint{}) }
