//! Groups of widely used artifacts that are built without Maven and so do not say whose they are, by the coordinates under which they
//! are published.

/// A pattern of artifact names (`*` at the end: all that begin so), the lowest major version it is true for, and the group.
type Row = (&'static str, u32, &'static str);

/// The first that fits counts.
const KNOWN: &[Row] = &[
    ("spring-boot*", 0, "org.springframework.boot"),
    ("spring-cloud-*", 0, "org.springframework.cloud"),
    ("spring-data-*", 0, "org.springframework.data"),
    ("spring-integration-*", 0, "org.springframework.integration"),
    ("spring-batch-*", 0, "org.springframework.batch"),
    ("spring-kafka*", 0, "org.springframework.kafka"),
    ("spring-ldap-*", 0, "org.springframework.ldap"),
    ("spring-security-*", 0, "org.springframework.security"),
    ("spring-session-*", 0, "org.springframework.session"),
    ("spring-amqp", 0, "org.springframework.amqp"),
    ("spring-rabbit*", 0, "org.springframework.amqp"),
    ("spring-graphql*", 0, "org.springframework.graphql"),
    ("spring-hateoas", 0, "org.springframework.hateoas"),
    ("spring-aop", 0, "org.springframework"),
    ("spring-aspects", 0, "org.springframework"),
    ("spring-beans", 0, "org.springframework"),
    ("spring-context*", 0, "org.springframework"),
    ("spring-core*", 0, "org.springframework"),
    ("spring-expression", 0, "org.springframework"),
    ("spring-instrument", 0, "org.springframework"),
    ("spring-jcl", 0, "org.springframework"),
    ("spring-jdbc", 0, "org.springframework"),
    ("spring-jms", 0, "org.springframework"),
    ("spring-messaging", 0, "org.springframework"),
    ("spring-orm", 0, "org.springframework"),
    ("spring-oxm", 0, "org.springframework"),
    ("spring-r2dbc", 0, "org.springframework"),
    ("spring-test", 0, "org.springframework"),
    ("spring-tx", 0, "org.springframework"),
    ("spring-web*", 0, "org.springframework"),
    ("kotlin-*", 0, "org.jetbrains.kotlin"),
    ("kotlinx-*", 0, "org.jetbrains.kotlinx"),
    ("ktor-*", 0, "io.ktor"),
    ("okhttp*", 3, "com.squareup.okhttp3"),
    ("okio*", 0, "com.squareup.okio"),
    ("retrofit", 2, "com.squareup.retrofit2"),
    ("reactor-netty*", 0, "io.projectreactor.netty"),
    ("reactor-core", 0, "io.projectreactor"),
    ("micrometer-*", 0, "io.micrometer"),
    ("grpc-*", 0, "io.grpc"),
    ("opentelemetry-*", 0, "io.opentelemetry"),
    ("rxjava", 3, "io.reactivex.rxjava3"),
    ("rxjava", 2, "io.reactivex.rxjava2"),
    ("caffeine", 0, "com.github.ben-manes.caffeine"),
    ("json-path", 0, "com.jayway.jsonpath"),
    ("graphql-java", 0, "com.graphql-java"),
    ("hibernate-core", 6, "org.hibernate.orm"),
    ("hibernate-core", 0, "org.hibernate"),
    ("groovy*", 4, "org.apache.groovy"),
    ("groovy*", 0, "org.codehaus.groovy"),
    ("tomcat-embed-*", 0, "org.apache.tomcat.embed"),
    ("tomcat-*", 0, "org.apache.tomcat"),
    ("kafka-*", 0, "org.apache.kafka"),
    ("kafka_*", 0, "org.apache.kafka"),
    ("lucene-*", 0, "org.apache.lucene"),
    ("solr-*", 0, "org.apache.solr"),
    ("elasticsearch-rest-*", 0, "org.elasticsearch.client"),
    ("bcprov-*", 0, "org.bouncycastle"),
    ("bcpkix-*", 0, "org.bouncycastle"),
    ("bcutil-*", 0, "org.bouncycastle"),
    ("bcpg-*", 0, "org.bouncycastle"),
    ("bctls-*", 0, "org.bouncycastle"),
    ("brave", 0, "io.zipkin.brave"),
    ("brave-*", 0, "io.zipkin.brave"),
    ("h2", 0, "com.h2database"),
    ("postgresql", 0, "org.postgresql"),
    ("mysql-connector-java", 0, "mysql"),
    ("mysql-connector-j", 0, "com.mysql"),
    ("mssql-jdbc", 0, "com.microsoft.sqlserver"),
    ("asm", 4, "org.ow2.asm"),
    ("asm-*", 4, "org.ow2.asm"),
    ("hibernate-commons-annotations", 5, "org.hibernate.common"),
    ("java-dataloader", 0, "com.graphql-java"),
    ("woodstox-core-asl", 0, "org.codehaus.woodstox"),
    ("lz4-java", 0, "org.lz4"),
    ("jna", 0, "net.java.dev.jna"),
    ("jna-platform", 0, "net.java.dev.jna"),
    ("checker-qual", 0, "org.checkerframework"),
    ("dom4j", 2, "org.dom4j"),
    ("dom4j", 0, "dom4j"),
    ("antlr", 0, "antlr"),
    ("log4j", 0, "log4j"),
    ("xercesImpl", 0, "xerces"),
    ("xalan", 0, "xalan"),
    ("xml-apis", 0, "xml-apis"),
];

/// Files of Tomcat's own distribution are called otherwise than the artifacts they are.
const RENAMED: &[(&str, (&str, &str))] = &[("catalina", ("org.apache.tomcat", "tomcat-catalina"))];

/// Group and artifact of what is called `artifact`.
pub(super) fn known<'a>(artifact: &'a str, version: &str) -> Option<(&'static str, &'a str)> {
    if let Some((_, renamed)) = RENAMED.iter().find(|(name, _)| *name == artifact) {
        return Some(*renamed);
    }
    let digits = version.bytes().take_while(u8::is_ascii_digit).count();
    let major: u32 = version.get(..digits).and_then(|major| major.parse().ok()).unwrap_or(0);
    let fits = |(pattern, least, _): &&Row| {
        let is_named =
            pattern.strip_suffix('*').map_or(*pattern == artifact, |begin| artifact.starts_with(begin));
        is_named && major >= *least
    };
    KNOWN.iter().find(fits).map(|(.., group)| (*group, artifact))
}
