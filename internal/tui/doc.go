// Package tui is the dashboard: one Bubble Tea model that shows a blue-green
// deployment live and lets an operator steer it.
//
// It owns the screen, the keys and the dialogs. It does no I/O of its own: what
// it shows arrives through [Deps] as messages, and every act runs the very plan
// that its dialog showed. It must not know Docker, nginx or Slack.
//
// Panels are plain structs that draw into a cell grid, so that a frame is exactly
// as large as the screen and no foreign byte can reach the terminal as a control
// sequence. A slow screen may drop log rows, which it counts; it never drops an alert.
package tui
