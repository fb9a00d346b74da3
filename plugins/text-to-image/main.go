// Command text-to-image is the plugin that paints a prompt.
package main

import "github.com/vision19/vision/sdk"

func main() { sdk.Serve(&endpoint{}) }
