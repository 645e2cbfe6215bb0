//! `ordermill-api seed`: a small catalogue to try the shop with. Products are made up; those whose SKU
//! exists already are left as they are.

use ordermill_common::catalog::{self, BadField, Created, Description, Edit, Name, NewProduct};
use ordermill_common::catalog::{Price, Sku};
use ordermill_common::clock;
use ordermill_common::db::{self, Db};
use ordermill_common::id::ProductId;
use ordermill_common::stock::adjust::{BadAdjustment, Units};

/// SKU, name, description, price in minor units, units in stock.
const CATALOGUE: [(&str, &str, &str, i64, i64); 24] = [
    (
        "MUG-BLUE",
        "Blue stoneware mug",
        "Holds 350 ml. Every glaze turns out a little different.",
        1_290,
        500,
    ),
    ("MUG-RED", "Red stoneware mug", "Holds 350 ml. The blue one's louder sister.", 1_290, 500),
    (
        "TEAPOT-IRON",
        "Cast-iron teapot",
        "Keeps tea warm for an hour, and a wrist in training.",
        5_490,
        80,
    ),
    (
        "TEA-SENCHA",
        "Sencha, 100 g",
        "First harvest, steamed, with a scent of fresh grass.",
        1_450,
        300,
    ),
    (
        "COFFEE-HOUSE",
        "House blend, 1 kg",
        "Chocolate, hazelnut, and a Monday morning saved.",
        2_190,
        400,
    ),
    (
        "GRINDER-HAND",
        "Hand coffee grinder",
        "Ceramic burrs, eleven steps from sand to gravel.",
        4_900,
        60,
    ),
    (
        "LAMP-DESK",
        "Brass desk lamp",
        "A warm light on a joint that stays where it is put.",
        8_900,
        45,
    ),
    (
        "LAMP-FLOOR",
        "Arc floor lamp",
        "Reaches over the sofa without being asked twice.",
        17_900,
        12,
    ),
    ("CHAIR-OAK", "Oak kitchen chair", "Mortise and tenon; it does not creak.", 14_500, 40),
    ("TABLE-OAK", "Oak kitchen table", "Seats six, and eight who like each other.", 64_900, 6),
    ("SHELF-WALL", "Wall shelf, 80 cm", "Hidden brackets, honest wood.", 3_900, 120),
    (
        "BLANKET-WOOL",
        "Wool blanket",
        "Woven from the wool of mountain sheep, 140 x 200 cm.",
        7_900,
        75,
    ),
    ("CUSHION-LINEN", "Linen cushion", "50 x 50 cm, washed soft.", 2_490, 150),
    ("TOWEL-SET", "Towel set, 4 pieces", "Waffle weave: dries fast, and so do you.", 3_290, 200),
    ("KNIFE-CHEF", "Chef's knife, 20 cm", "Carbon steel. Wants oil, gives edges.", 8_450, 90),
    ("BOARD-WALNUT", "Walnut cutting board", "End grain, kind to knives.", 5_900, 70),
    ("PAN-IRON", "Iron frying pan, 28 cm", "Outlives its owner when seasoned.", 4_290, 110),
    ("POT-ENAMEL", "Enamel stock pot, 8 l", "For soup, dye, and large families.", 6_190, 55),
    ("NOTEBOOK-A5", "Notebook A5, dotted", "192 pages that lie flat.", 1_190, 800),
    ("PEN-FOUNTAIN", "Fountain pen", "Steel nib, size F. The ink is in the box.", 3_450, 130),
    ("CLOCK-WALL", "Quiet wall clock", "It does not tick.", 4_590, 65),
    ("VASE-GLASS", "Glass vase", "Mouth-blown, for one flower or eleven.", 2_990, 95),
    ("CANDLE-BEE", "Beeswax candle", "Burns for forty hours.", 890, 1_000),
    ("GIFT-CARD", "Greeting card", "Letterpress. The inside is yours.", 350, 2_000),
];

/// The catalogue could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The database refused.
    #[error("cannot write the catalogue")]
    Db(#[from] db::Error),
    /// A product of the list above breaks a rule of the catalogue.
    #[error("the demo catalogue")]
    Field(#[from] BadField),
    /// A stock of the list above breaks a rule.
    #[error("the demo catalogue")]
    Stock(#[from] BadAdjustment),
}

/// Makes the products that are missing and answers how many these were.
pub async fn seed(db: &Db) -> Result<usize, SeedError> {
    let mut made = 0;
    for (sku, name, description, price, stock) in CATALOGUE {
        let edit = Edit {
            name: Name::parse(name)?,
            description: Description::parse(description.to_owned())?,
            price: Price::parse(price)?,
            at: clock::now(),
        };
        let sku = Sku::parse(sku.to_owned())?;
        let new =
            NewProduct { id: ProductId::mint(), sku, edit, stock: Units::parse(stock)?, by: None };
        if let Created::Done(_) = catalog::create(db, new).await? {
            made += 1;
        }
    }
    Ok(made)
}
