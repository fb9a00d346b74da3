// Package sdk is what a model author imports: implement Endpoint, call Serve from main, and the host does the rest.
//
//	func main() { sdk.Serve(myendpoint.New()) }
//
// A plugin describes itself (Description), and that description is the only source of truth: request validation, HTTP
// routes, the command line and the documents come from it and from nothing else. See the package comments of schema
// (parameters), onnx (ONNX Runtime sessions), diffusion (diffusers-layout pipelines) and imaging (images).
package sdk

// Version is the version of this SDK, told to the host in Describe.
const Version = "0.1.0"
