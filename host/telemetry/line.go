// Package telemetry keeps what plugins say: the last lines of each in memory, to be read back and followed.
package telemetry

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"
)

// Line is one line of a plugin's log.
type Line struct {
	Seq     uint64    // the Ring's own count, from 1 without gaps
	Time    time.Time // when the host has read it
	Process string    // the plugin's instance: "text-to-image", or "text-to-image/2" for its second process
	PID     int       // 0: the host says it, not a process
	Level   slog.Level
	Text    string // message and attributes, without the line's end
}

// timeFormat is RFC 3339 with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// lineJSON is a Line's JSON form.
type lineJSON struct {
	Seq    uint64 `json:"seq"`
	Time   string `json:"time"`
	Plugin string `json:"plugin"`
	PID    int    `json:"pid"`
	Level  string `json:"level"`
	Text   string `json:"text"`
}

// MarshalJSON implements json.Marshaler: {"seq","time","plugin","pid","level","text"}, the time in UTC.
func (l Line) MarshalJSON() ([]byte, error) {
	return json.Marshal(lineJSON{l.Seq, l.Time.UTC().Format(timeFormat), l.Process, l.PID, l.Level.String(), l.Text})
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *Line) UnmarshalJSON(data []byte) error {
	var j lineJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339, j.Time)
	if err != nil {
		return fmt.Errorf("a log line's time: %w", err)
	}
	out := Line{Seq: j.Seq, Time: at, Process: j.Plugin, PID: j.PID, Text: j.Text}
	if err := out.Level.UnmarshalText([]byte(j.Level)); err != nil {
		return fmt.Errorf("a log line's level: %w", err)
	}
	*l = out
	return nil
}
