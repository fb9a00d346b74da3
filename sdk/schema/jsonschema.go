package schema

// JSONSchema is the schema as a JSON Schema object (draft 2020-12, as OpenAPI 3.1 uses it), ready for encoding/json.
// A random parameter has no default there; its description says so.
func (s Schema) JSONSchema() map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, p := range s {
		properties[p.Name] = p.JSONSchema()
		if p.Required {
			required = append(required, p.Name)
		}
	}
	out := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// JSONSchema is the schema of one parameter's value.
func (p Parameter) JSONSchema() map[string]any {
	names := map[Type]string{Bool: "boolean", Int: "integer", Float: "number", String: "string"}
	out := map[string]any{"type": names[p.Type]}
	set := func(key string, value any, is bool) {
		if is {
			out[key] = value
		}
	}
	doc := p.Doc
	if p.Random {
		doc += " Random unless given."
	}
	set("description", doc, doc != "")
	set("default", p.Default, p.Default != nil)
	set("minimum", p.Min, p.Min != nil)
	set("maximum", p.Max, p.Max != nil)
	set("multipleOf", p.MultipleOf, p.MultipleOf != 0)
	set("enum", p.Allowed, len(p.Allowed) > 0)
	set("maxLength", p.maxLength(), p.Type == String)
	return out
}
