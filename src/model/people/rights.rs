//! Who may do what: a table of roles and rights, and nothing else.

/// What an operator or an API key is trusted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A shop's checkout: looks at one hold, confirms it or gives it back. For keys alone.
    Checkout,
    /// Looks at everything about sales, and changes nothing.
    Viewer,
    /// Makes sales and steers them.
    Operator,
    /// Also says who else may.
    Owner,
}

/// What a call asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// To look at one hold.
    SeeHold,
    /// To confirm or release a hold that is somebody else's.
    Settle,
    /// To look at sales, with everyone in them.
    Look,
    /// To make and to steer sales.
    Steer,
    /// To say who may do what.
    Manage,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Checkout, Self::Viewer, Self::Operator, Self::Owner];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Checkout => "checkout",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Owner => "owner",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Whether a person may have it; the others are for programs.
    pub fn is_for_people(self) -> bool {
        match self {
            Self::Checkout => false,
            Self::Viewer | Self::Operator | Self::Owner => true,
        }
    }

    pub fn may(self, right: Right) -> bool {
        match right {
            Right::SeeHold => true,
            Right::Settle => self != Self::Viewer,
            Right::Look => self != Self::Checkout,
            Right::Steer => matches!(self, Self::Operator | Self::Owner),
            Right::Manage => self == Self::Owner,
        }
    }
}

impl Right {
    /// The least role that has it, for who is refused.
    pub fn needs(self) -> &'static str {
        match self {
            Self::SeeHold | Self::Settle => "checkout, operator or owner",
            Self::Look => "viewer, operator or owner",
            Self::Steer => "operator or owner",
            Self::Manage => "owner",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_what_the_table_says_and_no_more() {
        use Right::{Look, Manage, SeeHold, Settle, Steer};
        let table = [
            (Role::Checkout, vec![SeeHold, Settle]),
            (Role::Viewer, vec![SeeHold, Look]),
            (Role::Operator, vec![SeeHold, Settle, Look, Steer]),
            (Role::Owner, vec![SeeHold, Settle, Look, Steer, Manage]),
        ];
        for (role, rights) in table {
            let may = [SeeHold, Settle, Look, Steer, Manage].into_iter().filter(|r| role.may(*r));
            assert_eq!(may.collect::<Vec<_>>(), rights, "{role:?}");
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert_eq!(Role::parse("root"), None);
    }
}
