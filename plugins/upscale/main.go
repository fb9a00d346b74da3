// Command upscale is the plugin that makes an image two or four times as large.
package main

import "github.com/vision19/vision/sdk"

func main() { sdk.Serve(&endpoint{}) }
