// Command palette is a plugin out of the host's tree: an endpoint that the host has never heard of.
package main

import "github.com/vision19/vision/sdk"

func main() { sdk.Serve(&endpoint{}) }
