package rpc

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

type request struct {
	Version string `json:"jsonrpc"`
	ID      uint64 `json:"id"`
	Method  string `json:"method"`
	Params  []any  `json:"params"`
}

func encode(id uint64, method string, params []any) ([]byte, error) {
	if params == nil {
		params = []any{}
	}
	b, err := json.Marshal(request{"2.0", id, method, params})
	if err != nil {
		return nil, fmt.Errorf("rpc: %s: parameters: %w", method, err)
	}
	return b, nil
}

// reply is one message from the node: the answer to a call, or what a subscription tells.
type reply struct {
	id           uint64 // 0: no call of ours
	result       json.RawMessage
	err          *Error
	subscription string // the JSON text of the subscription's id, "" for an answer
}

var errReply = errors.New("malformed JSON-RPC 2.0 message")

func decode(b []byte) (reply, error) {
	var m struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Method  string          `json:"method"`
		Result  json.RawMessage `json:"result"`
		Error   *Error          `json:"error"`
		Params  struct {
			Subscription json.RawMessage `json:"subscription"`
			Result       json.RawMessage `json:"result"`
			Error        json.RawMessage `json:"error"`
		} `json:"params"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return reply{}, fmt.Errorf("%w: %w", errReply, err)
	}
	if m.Version != "2.0" {
		return reply{}, fmt.Errorf("%w: version %.10q", errReply, m.Version)
	}
	if m.Method != "" {
		body := m.Params.Result
		if body == nil {
			body = m.Params.Error
		}
		if m.Params.Subscription == nil || body == nil {
			return reply{}, fmt.Errorf("%w: a notification needs a subscription and a result", errReply)
		}
		return reply{subscription: string(m.Params.Subscription), result: body}, nil
	}
	if m.Error == nil && m.Result == nil {
		return reply{}, fmt.Errorf("%w: neither result nor error", errReply)
	}
	id, err := strconv.ParseUint(string(m.ID), 10, 64)
	if err != nil {
		id = 0
	}
	return reply{id: id, result: m.Result, err: m.Error}, nil
}
