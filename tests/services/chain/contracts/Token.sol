// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// A token that anybody may mint. With a fee, less arrives than its log says.
contract Token {
    string public symbol;
    uint8 public decimals;
    uint256 public feeBps;
    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    constructor(string memory symbol_, uint8 decimals_, uint256 feeBps_) {
        symbol = symbol_;
        decimals = decimals_;
        feeBps = feeBps_;
    }

    function mint(address to, uint256 value) external {
        balanceOf[to] += value;
        totalSupply += value;
        emit Transfer(address(0), to, value);
    }

    /// As of a token that its issuer takes away.
    function burn(address from, uint256 value) external {
        balanceOf[from] -= value;
        totalSupply -= value;
        emit Transfer(from, address(0), value);
    }

    function approve(address spender, uint256 value) public virtual returns (bool) {
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    function transfer(address to, uint256 value) public virtual returns (bool) {
        _move(msg.sender, to, value);
        return true;
    }

    function transferFrom(address from, address to, uint256 value) public virtual returns (bool) {
        require(allowance[from][msg.sender] >= value, "allowance too low");
        allowance[from][msg.sender] -= value;
        _move(from, to, value);
        return true;
    }

    function _move(address from, address to, uint256 value) private {
        require(balanceOf[from] >= value, "balance too low");
        balanceOf[from] -= value;
        balanceOf[to] += value - (value * feeBps) / 10_000;
        emit Transfer(from, to, value);
    }
}

/// As of the first years: what cannot be moved is answered with false, and an allowance must be taken back before another.
contract OldToken is Token {
    constructor() Token("OLD", 18, 0) {}

    function approve(address spender, uint256 value) public override returns (bool) {
        require(value == 0 || allowance[msg.sender][spender] == 0, "take the old one back first");
        return super.approve(spender, value);
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        return balanceOf[msg.sender] >= value && super.transfer(to, value);
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        bool may = balanceOf[from] >= value && allowance[from][msg.sender] >= value;
        return may && super.transferFrom(from, to, value);
    }
}
