//! How each point is reached: what is done at the armed gateway.

use ropeline::faults::Point;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    Admit,
    Audit,
    Buy,
    Close,
    Join,
    Leave,
    Recover,
    Release,
    Seed,
    SellOut,
    Sweep,
    Withdraw,
}

impl Scene {
    /// Every way to a point.
    pub fn to(point: Point) -> &'static [Self] {
        match point {
            Point::JoinNumbered | Point::JoinInTx | Point::JoinCommitted => &[Self::Join],
            Point::AdmitAsked
            | Point::AdmitPopped
            | Point::AdmitInTx
            | Point::AdmitCommitted
            | Point::AdmitAcknowledged => &[Self::Admit],
            Point::SettleAllowed
            | Point::SettleInTx
            | Point::SettleCommitted
            | Point::SettleTold => &[Self::Buy, Self::Release],
            Point::SweepFlipped | Point::SweepReturned => &[Self::Sweep],
            Point::AuditRead => &[Self::Audit],
            Point::RecoverRaised
            | Point::RecoverHalfLoaded
            | Point::RecoverLoaded
            | Point::RecoverSwapped => &[Self::Recover],
            Point::OperateInTx | Point::OperateCommitted => {
                &[Self::Seed, Self::Withdraw, Self::Close]
            }
            Point::SellOutInTx | Point::SellOutMarked => &[Self::SellOut],
            Point::LeaveCommitted => &[Self::Leave],
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Audit => "audit",
            Self::Buy => "buy",
            Self::Close => "close",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Recover => "recover",
            Self::Release => "release",
            Self::Seed => "seed",
            Self::SellOut => "sell-out",
            Self::Sweep => "sweep",
            Self::Withdraw => "withdraw",
        }
    }

    /// Whether somebody asks the armed gateway for it, so that only that one gets there. What loops do, any
    /// gateway may be the first to do.
    pub fn is_asked_for(self) -> bool {
        match self {
            Self::Buy
            | Self::Close
            | Self::Join
            | Self::Leave
            | Self::Release
            | Self::Seed
            | Self::Withdraw => true,
            Self::Admit | Self::Audit | Self::Recover | Self::SellOut | Self::Sweep => false,
        }
    }
}
