//! Plans of made-up invoices.

use super::*;

fn plan(rows: &str) -> Plan {
    let mut read = Rows::default();
    let head =
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";
    read.read((head.to_owned() + rows).as_bytes()).unwrap();
    Plan::new(&read)
}

fn skus(plan: &Plan) -> Vec<String> {
    plan.products.iter().map(Product::sku).collect()
}

#[test]
fn a_product_is_a_code_and_a_price_and_codes_differ_by_case() {
    let plan = plan(
        "1,20001a,MUG,6,2010-12-01 08:00:00,2.55,10.0,EIRE\n\
         2,20001A,BOWL,1,2010-12-01 08:00:00,2.55,10.0,EIRE\n\
         3,20001a,MUG CHEAP,2,2010-12-01 08:00:00,2.10,11.0,EIRE\n\
         4,20001a,MUG NEW,4,2010-12-01 08:00:00,2.55,11.0,EIRE\n",
    );
    assert_eq!(skus(&plan), ["20001a:255", "20001A:255", "20001a:210"]);
    assert_eq!(plan.products[0].name, "MUG");
    let stock: Vec<u64> = plan.products.iter().map(Product::stock).collect();
    assert_eq!(stock, [9, 1, 1], "nine tenths of 10, of 1 and of 2");
}

#[test]
fn the_rows_of_a_product_are_one_line() {
    let plan = plan(
        "1,20001,MUG,6,2010-12-01 08:00:00,2.55,10.0,EIRE\n\
         1,20002,,3,2010-12-01 08:00:00,1.00,10.0,EIRE\n\
         1,20001,MUG,2,2010-12-01 08:00:00,2.55,10.0,EIRE\n",
    );
    let lines = vec![Line { product: 0, quantity: 8 }, Line { product: 1, quantity: 3 }];
    assert_eq!(plan.invoices[0].what, What::Sale(lines));
    assert_eq!(plan.products[1].name, "20002");
    assert_eq!(plan.rows.sold, 3);
}

#[test]
fn every_row_is_sold_returned_or_dirty() {
    let plan = plan(
        "1,20001,MUG,6,2010-12-01 08:00:00,2.55,10.0,EIRE\n\
         1,POST,POSTAGE,1,2010-12-01 08:00:00,18.00,10.0,EIRE\n\
         2,20001,lost,-5,2010-12-01 08:01:00,0.0,,EIRE\n\
         3,20002,BALL,600000,2010-12-01 08:02:00,0.01,10.0,EIRE\n\
         3,20002,BALL,600000,2010-12-01 08:02:00,0.01,10.0,EIRE\n\
         C4,20001,MUG,-6,2010-12-01 08:03:00,2.55,10.0,EIRE\n\
         5,20001\n",
    );
    assert_eq!((plan.rows.sold, plan.rows.returned, plan.rows.all()), (1, 1, 7));
    let dirty: Vec<_> = plan.rows.dirty.iter().map(|(dirt, rows)| (*dirt, *rows)).collect();
    assert_eq!(
        dirty,
        [
            (Dirt::Unreadable, 1),
            (Dirt::NotGoods, 1),
            (Dirt::NegativeQuantity, 1),
            (Dirt::TooMany, 2)
        ]
    );
    assert_eq!(plan.invoices[1].what, What::NothingToSell);
    assert_eq!(plan.invoices[2].what, What::NothingToSell);
    assert_eq!(plan.products[1].demand, 0, "what is not sold is no demand");
}

#[test]
fn invoices_go_by_time_and_those_without_a_customer_to_their_country() {
    let plan = plan(
        "2,20001,MUG,1,2010-12-02 08:00:00,2.55,10.0,EIRE\n\
         1,20001,MUG,1,2010-12-01 08:01:00,2.55,,United Kingdom\n\
         3,20001,MUG,1,2010-12-03 08:00:00,2.55,10.0,EIRE\n\
         4,20001,MUG,1,2010-12-04 08:00:00,2.55,,United Kingdom\n\
         1,20001,MUG,1,2010-12-01 08:00:00,2.55,,United Kingdom\n",
    );
    let numbers: Vec<&str> = plan.invoices.iter().map(|invoice| invoice.number.as_str()).collect();
    assert_eq!(numbers, ["1", "2", "3", "4"]);
    let [country, customer] = plan.buyers.as_slice() else { panic!("{:?}", plan.buyers) };
    assert_eq!((country.name.as_str(), &country.invoices), ("country-united-kingdom", &vec![0, 3]));
    assert_eq!((customer.name.as_str(), &customer.invoices), ("customer-10", &vec![1, 2]));
}
