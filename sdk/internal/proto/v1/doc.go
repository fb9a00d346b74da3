// Package pluginv1 is the generated code of vision.plugin.v1; nothing else lives here. `make generate` renews it.
package pluginv1
