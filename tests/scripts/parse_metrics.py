"""Reads OpenMetrics text from standard input with the Prometheus project's own parser; prints its samples as JSON lines."""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        line = {"family": family.name, "type": family.type, "name": sample.name, "labels": sample.labels, "value": sample.value}
        print(json.dumps(line))
