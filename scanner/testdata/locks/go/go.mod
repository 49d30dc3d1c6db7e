module example.test/shop

go 1.26.8

require (
	github.com/google/uuid v1.3.0 // indirect
	golang.org/x/text v0.3.5 // indirect
)
