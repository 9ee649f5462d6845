//! Alarms on metrics that AWS emits and nothing of ours does: the names that AWS documents, and datapoints as AWS would send them.

use crate::drills::log::Metrics;

/// The alarms that are made of such metrics alone.
pub(crate) const OWNED: [&str; 11] = [
    "AuthBlocked",
    "CacheMemory",
    "CacheThrottled",
    "DeadLetters",
    "FunctionsFailing",
    "FunctionsThrottled",
    "GatewayErrors",
    "JobsBacklog",
    "JobsDead",
    "JobsLate",
    "JobsUnannounced",
];

/// A metric that AWS emits.
pub(crate) struct Documented {
    pub(crate) namespace: &'static str,
    pub(crate) name: &'static str,
    pub(crate) dimensions: &'static [&'static str],
    /// The page that lists it.
    pub(crate) source: &'static str,
}

const LAMBDA: &str = "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html";
const SQS: &str =
    "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html";
const GATEWAY: &str =
    "https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html";
const WAF: &str = "https://docs.aws.amazon.com/waf/latest/developerguide/waf-metrics.html";
// The page lists the metrics of serverless caches and names no dimension; `clusterId` is what such caches are listed by
// (`aws cloudwatch list-metrics --namespace AWS/ElastiCache`, to be looked at once after the first deployment).
const CACHE: &str = "https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/serverless-metrics-events-redis.html";

pub(crate) const DOCUMENTED: [Documented; 9] = [
    Documented {
        namespace: "AWS/WAFV2",
        name: "BlockedRequests",
        dimensions: &["Region", "Rule", "WebACL"],
        source: WAF,
    },
    Documented {
        namespace: "AWS/Lambda",
        name: "Errors",
        dimensions: &["FunctionName"],
        source: LAMBDA,
    },
    Documented {
        namespace: "AWS/Lambda",
        name: "Throttles",
        dimensions: &["FunctionName"],
        source: LAMBDA,
    },
    Documented {
        namespace: "AWS/SQS",
        name: "ApproximateNumberOfMessagesVisible",
        dimensions: &["QueueName"],
        source: SQS,
    },
    Documented {
        namespace: "AWS/SQS",
        name: "ApproximateAgeOfOldestMessage",
        dimensions: &["QueueName"],
        source: SQS,
    },
    Documented {
        namespace: "AWS/SQS",
        name: "NumberOfMessagesReceived",
        dimensions: &["QueueName"],
        source: SQS,
    },
    Documented {
        namespace: "AWS/ApiGateway",
        name: "5XXError",
        dimensions: &["ApiName", "Stage"],
        source: GATEWAY,
    },
    Documented {
        namespace: "AWS/ElastiCache",
        name: "BytesUsedForCache",
        dimensions: &["clusterId"],
        source: CACHE,
    },
    Documented {
        namespace: "AWS/ElastiCache",
        name: "ThrottledCmds",
        dimensions: &["clusterId"],
        source: CACHE,
    },
];

/// AWS's datapoints of a period.
pub(crate) struct Datapoints {
    pub(crate) too_many: Metrics,
    pub(crate) fine: Metrics,
}

/// On either side of what an alarm bears, by requirements.md or by the alarm's section of docs/OPERATIONS.md.
pub(crate) fn owned(alarm: &str) -> Datapoints {
    let (metric, too_many, fine): (&str, &[f64], &[f64]) = match alarm {
        // One address that floods is told so some hundred times; forty are told far more often.
        "AuthBlocked" => (
            "AWS/WAFV2:BlockedRequests{Region=AWS::Region,Rule=auth-per-address,WebACL=clearview-drill}",
            &[900.0, 101.0],
            &[1000.0],
        ),
        // 80 % of the gigabyte that CacheGigabytes is by default.
        "CacheMemory" => (
            "AWS/ElastiCache:BytesUsedForCache{clusterId=SharedCache}",
            &[700e6, 801e6],
            &[799e6],
        ),
        "CacheThrottled" => (
            "AWS/ElastiCache:ThrottledCmds{clusterId=SharedCache}",
            &[0.0, 1.0],
            &[0.0],
        ),
        "DeadLetters" => (
            "AWS/SQS:ApproximateNumberOfMessagesVisible{QueueName=DayCloseDeadLetters.QueueName}",
            &[1.0],
            &[0.0],
        ),
        "JobsBacklog" => (
            "AWS/SQS:ApproximateNumberOfMessagesVisible{QueueName=JobsQueue.QueueName}",
            &[100.0, 5_001.0],
            &[5_000.0],
        ),
        "JobsDead" => (
            "AWS/SQS:NumberOfMessagesReceived{QueueName=JobsDeadLetters.QueueName}",
            &[1.0],
            &[0.0],
        ),
        "JobsLate" => (
            "AWS/SQS:ApproximateAgeOfOldestMessage{QueueName=JobsQueue.QueueName}",
            &[0.0, 61.0],
            &[60.0],
        ),
        "JobsUnannounced" => (
            "AWS/SQS:ApproximateNumberOfMessagesVisible{QueueName=WebhookDeadLetters.QueueName}",
            &[1.0],
            &[0.0],
        ),
        "FunctionsFailing" => ("AWS/Lambda:Errors{FunctionName=KeyRotationFunction}", &[1.0], &[0.0]),
        "FunctionsThrottled" => ("AWS/Lambda:Throttles{FunctionName=AdminFunction}", &[1.0], &[0.0]),
        // One request in fifty; one in two hundred.
        "GatewayErrors" => (
            "AWS/ApiGateway:5XXError{ApiName=clearview-drill,Stage=drill}",
            &[0.0, 0.04],
            &[0.005],
        ),
        other => panic!("what would AWS send for {other}?"),
    };
    let of = |values: &[f64]| Metrics::from([(metric.to_owned(), values.to_vec())]);
    Datapoints {
        too_many: of(too_many),
        fine: of(fine),
    }
}
