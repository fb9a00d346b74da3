// Package host wires everything together: it places the plugins that a configuration declares, starts them, dispatches
// requests to them and serves the API. cmd/vision is its command line; a program can also embed it.
package host
