// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Does several calls in one transaction, all of them or none, within a flash loan where one is asked for.
///
/// Only its owner can use it. It keeps nothing: what is left of the named tokens, and of ether, goes to the owner.
/// It must be given no allowance that is not used up by the transaction after it.
interface Lender {
    function flashLoanSimple(
        address receiver,
        address asset,
        uint256 amount,
        bytes calldata params,
        uint16 referral
    ) external;
}

contract Executor {
    struct Call {
        address target;
        uint256 value;
        bytes data;
    }

    /// Who may use it, and gets what is left.
    address public immutable owner;
    address private lender;

    error NotOwner();
    error NotLender();
    error CallFailed(uint256 index, bytes reason);
    error NotSwept(address token);

    constructor() {
        owner = msg.sender;
    }

    receive() external payable {}

    /// The calls, in their order.
    function run(Call[] calldata calls, address[] calldata tokens) external payable {
        if (msg.sender != owner) revert NotOwner();
        _do(calls);
        _sweep(tokens);
    }

    /// The calls, with so much of an asset lent until their end; the lender takes it back with its premium.
    function runWithLoan(
        address pool,
        address asset,
        uint256 amount,
        Call[] calldata calls,
        address[] calldata tokens
    ) external payable {
        if (msg.sender != owner) revert NotOwner();
        lender = pool;
        Lender(pool).flashLoanSimple(address(this), asset, amount, abi.encode(calls), 0);
        lender = address(0);
        _sweep(tokens);
    }

    /// Called by the lender, in the middle of a loan that was begun here.
    function executeOperation(
        address asset,
        uint256 amount,
        uint256 premium,
        address initiator,
        bytes calldata params
    ) external returns (bool) {
        if (msg.sender != lender || initiator != address(this)) revert NotLender();
        _do(abi.decode(params, (Call[])));
        bytes memory approve = abi.encodeWithSignature("approve(address,uint256)", msg.sender, amount + premium);
        (bool done, bytes memory said) = asset.call(approve);
        if (!done) revert CallFailed(type(uint256).max, said);
        return true;
    }

    function _do(Call[] memory calls) private {
        for (uint256 i = 0; i < calls.length; i++) {
            (bool done, bytes memory said) = calls[i].target.call{value: calls[i].value}(calls[i].data);
            if (!done || (_movesToken(calls[i].data) && _isFalse(said))) revert CallFailed(i, said);
        }
    }

    /// Of such calls some tokens answer false, where others revert.
    function _movesToken(bytes memory data) private pure returns (bool) {
        bytes4 name = bytes4(data);
        return name == 0xa9059cbb || name == 0x23b872dd || name == 0x095ea7b3; // transfer, transferFrom, approve
    }

    function _isFalse(bytes memory said) private pure returns (bool) {
        return said.length >= 32 && abi.decode(said, (uint256)) == 0;
    }

    function _sweep(address[] calldata tokens) private {
        for (uint256 i = 0; i < tokens.length; i++) {
            (bool told, bytes memory held) =
                tokens[i].staticcall(abi.encodeWithSignature("balanceOf(address)", address(this)));
            uint256 left = told && held.length >= 32 ? abi.decode(held, (uint256)) : 0;
            if (left == 0) continue;
            (bool done, bytes memory said) =
                tokens[i].call(abi.encodeWithSignature("transfer(address,uint256)", owner, left));
            if (!done || _isFalse(said)) revert NotSwept(tokens[i]);
        }
        if (address(this).balance > 0) {
            (bool paid, ) = owner.call{value: address(this).balance}("");
            if (!paid) revert NotSwept(address(0));
        }
    }
}
