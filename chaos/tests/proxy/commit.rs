//! Commits of a real database whose end nobody learns.

use std::net::SocketAddr;

use ordermill_chaos::proxy::{MYSQL_COMMIT, Proxy};
use ordermill_scratch::{server, within};
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, MySqlConnection};

fn at(address: SocketAddr) -> MySqlConnectOptions {
    let options: MySqlConnectOptions = server("DATABASE_URL").parse().unwrap();
    let host = address.ip().to_string();
    options.host(&host).port(address.port()).ssl_mode(MySqlSslMode::Disabled)
}

async fn target() -> SocketAddr {
    let options: MySqlConnectOptions = server("DATABASE_URL").parse().unwrap();
    let mut found =
        tokio::net::lookup_host((options.get_host(), options.get_port())).await.unwrap();
    found.find(SocketAddr::is_ipv4).unwrap()
}

/// A table of a test's own, reached directly and through a proxy.
struct Till {
    proxy: Proxy,
    direct: MySqlConnection,
    table: String,
}

impl Till {
    async fn open(name: &str) -> Self {
        let target = target().await;
        let proxy = Proxy::start(target).await.unwrap();
        // As the URL says: an encrypted login is what opens MySQL 9 to plain ones.
        let options: MySqlConnectOptions = server("DATABASE_URL").parse().unwrap();
        let mut direct = options.connect().await.unwrap();
        let table = format!("omtest_commit_{name}_{}", proxy.addr().port());
        let create = format!("create table {table} (id int primary key) engine = innodb");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut direct).await.unwrap();
        Self { proxy, direct, table }
    }

    async fn write(&self, id: i32) -> sqlx::Result<()> {
        let mut conn = at(self.proxy.addr()).connect().await.unwrap();
        let mut tx = conn.begin().await.unwrap();
        sqlx::query(AssertSqlSafe(format!("insert into {} values (?)", self.table)))
            .bind(id)
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await
    }

    async fn rows(&mut self) -> Vec<i32> {
        let select = format!("select id from {} order by id", self.table);
        sqlx::query_scalar(AssertSqlSafe(select)).fetch_all(&mut self.direct).await.unwrap()
    }

    async fn close(mut self) {
        let drop_table = format!("drop table {}", self.table);
        sqlx::raw_sql(AssertSqlSafe(drop_table)).execute(&mut self.direct).await.unwrap();
    }
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_fails_for_its_client_and_holds() {
    let mut till = Till::open("answer").await;
    till.write(1).await.unwrap();
    till.proxy.drop_answer_to(MYSQL_COMMIT, 1);
    till.write(2).await.unwrap_err();
    till.write(3).await.unwrap();
    assert_eq!(till.rows().await, [1, 2, 3]);
    assert_eq!(till.proxy.tally().answers_lost, 1);
    till.close().await;
}

#[tokio::test]
async fn a_commit_that_is_lost_itself_fails_the_same_way_and_does_not_hold() {
    let mut till = Till::open("request").await;
    till.proxy.drop_request(MYSQL_COMMIT, 1);
    till.write(1).await.unwrap_err();
    till.write(2).await.unwrap();
    assert_eq!(till.rows().await, [2]);
    assert_eq!(till.proxy.tally().requests_lost, 1);
    let proxy = &till.proxy;
    within(10, "all is closed", async || proxy.tally().open == 0).await;
    till.close().await;
}
