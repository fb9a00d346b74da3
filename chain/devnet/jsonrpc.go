package devnet

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/blake2b"
)

const (
	// maxRequest bounds a message in bytes: the largest extrinsic in hexadecimal, and some.
	maxRequest = 4 << 20
	// maxBatch bounds the calls of one batch.
	maxBatch = 256
	// maxKeys bounds a page of keys and the keys of one query. Source: Substrate's state_getKeysPaged.
	maxKeys = 1000
)

// rpcError is an error of JSON-RPC 2.0.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

func (e *rpcError) Error() string { return fmt.Sprintf("%d: %s", e.Code, e.Message) }

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

func sum(b []byte) hash { return blake2b.Sum256(b) }

// request is a call. Without an ID it is a notification, which gets no reply.
type request struct {
	ID     json.RawMessage
	Method string
	Params []json.RawMessage
	err    *rpcError // it is malformed
}

// decodeRequests reads a message: a call, or a batch. The error is one of the whole message.
func decodeRequests(b []byte) (calls []request, batch bool, _ *rpcError) {
	b = bytes.TrimSpace(b)
	if !json.Valid(b) {
		return nil, false, &rpcError{-32700, "Parse error", nil}
	}
	if b[0] != '[' {
		return []request{decodeRequest(b)}, false, nil
	}
	var all []json.RawMessage
	if json.Unmarshal(b, &all) != nil || len(all) == 0 {
		return nil, true, &rpcError{-32600, "Invalid Request", "a batch is an array of at least one call"}
	}
	if len(all) > maxBatch {
		return nil, true, &rpcError{-32010, "The batch request was too large", fmt.Sprintf("Exceeded max limit of %d", maxBatch)}
	}
	for _, one := range all {
		calls = append(calls, decodeRequest(one))
	}
	return calls, true, nil
}

func decodeRequest(b []byte) request {
	bad := request{ID: json.RawMessage("null"), err: &rpcError{-32600, "Invalid Request", nil}}
	var r struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Method  *string         `json:"method"`
		Params  json.RawMessage `json:"params"`
	}
	if json.Unmarshal(b, &r) != nil || r.Method == nil || r.Version != "2.0" {
		return bad
	}
	if len(r.ID) > 0 && (r.ID[0] == '{' || r.ID[0] == '[' || r.ID[0] == 't' || r.ID[0] == 'f') {
		return bad
	}
	call := request{ID: r.ID, Method: *r.Method}
	if p := bytes.TrimSpace(r.Params); len(p) > 0 && string(p) != "null" && json.Unmarshal(p, &call.Params) != nil {
		call.err = &rpcError{-32602, "Invalid params", "params is an array here"}
	}
	return call
}

type reply struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

// answer is a reply's text. A nil result is sent as null: clients want the field.
func answer(id json.RawMessage, result any, e *rpcError) json.RawMessage {
	r := reply{Version: "2.0", ID: id, Error: e}
	if len(id) == 0 {
		r.ID = json.RawMessage("null")
	}
	if e == nil {
		var err error
		if r.Result, err = json.Marshal(result); err != nil {
			r.Result, r.Error = nil, &rpcError{-32603, "Internal error", err.Error()}
		}
	}
	text, err := json.Marshal(r)
	if err != nil {
		return json.RawMessage(`{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"Internal error"}}`)
	}
	return text
}

// notification is the text of a subscription's message.
func notification(method, id string, result any) json.RawMessage {
	type params struct {
		Subscription string `json:"subscription"`
		Result       any    `json:"result"`
	}
	text, err := json.Marshal(struct {
		Version string `json:"jsonrpc"`
		Method  string `json:"method"`
		Params  params `json:"params"`
	}{"2.0", method, params{id, result}})
	if err != nil {
		return json.RawMessage("null") // what is sent here always has a text
	}
	return text
}

// arguments reads a call's parameters in their order. The first that is wrong sticks.
type arguments struct {
	left []json.RawMessage
	at   int
	err  *rpcError
}

func (a *arguments) next(v any, optional bool, want string) bool {
	a.at++
	if len(a.left) == 0 || string(bytes.TrimSpace(a.left[0])) == "null" {
		if len(a.left) > 0 {
			a.left = a.left[1:]
		}
		if !optional {
			a.fail(want)
		}
		return false
	}
	raw := a.left[0]
	a.left = a.left[1:]
	if json.Unmarshal(raw, v) != nil {
		a.fail(want)
		return false
	}
	return a.err == nil
}

func (a *arguments) fail(want string) {
	if a.err == nil {
		a.err = &rpcError{-32602, "Invalid params", fmt.Sprintf("parameter %d: %s", a.at, want)}
	}
}

func (a *arguments) text(want string) string {
	var s string
	a.next(&s, false, want)
	return s
}

func (a *arguments) bytes(optional bool) []byte {
	var s string
	if !a.next(&s, optional, "0x and hexadecimal digits are wanted") {
		return nil
	}
	return a.hex(s)
}

func (a *arguments) hex(s string) []byte {
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil || !strings.HasPrefix(s, "0x") {
		a.fail("0x and hexadecimal digits are wanted")
	}
	return b
}

func (a *arguments) hash() *hash {
	b := a.bytes(true)
	if b == nil {
		return nil
	}
	if len(b) != 32 {
		a.fail("a hash has 32 bytes")
		return nil
	}
	h := hash(b)
	return &h
}

func (a *arguments) keys() [][]byte {
	var list []string
	a.next(&list, false, "an array of keys is wanted")
	if len(list) > maxKeys {
		a.fail(fmt.Sprintf("at most %d keys", maxKeys))
		return nil
	}
	keys := make([][]byte, 0, len(list))
	for _, s := range list {
		keys = append(keys, a.hex(s))
	}
	return keys
}

// number is a block's number, as a JSON number or in hexadecimal.
func (a *arguments) number() *uint32 {
	var raw json.RawMessage
	if !a.next(&raw, true, "a block's number is wanted") {
		return nil
	}
	n, err := strconv.ParseUint(strings.Trim(string(raw), `"`), 0, 32)
	if err != nil {
		a.fail("a block's number is wanted")
	}
	number := uint32(n)
	return &number
}
